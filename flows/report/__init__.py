"""The report of a replay: what the books say, and what the trading came to.

journal entries -> tally -> tables (CSV files)
books and tally -> summary (report.json)
"""

from flows.report.summary import Json, build_report
from flows.report.tables import CSV_FILES
from flows.report.tally import Tally

__all__ = ["CSV_FILES", "Json", "Tally", "build_report"]
