"""Grafana's dashboards as code; `python -m dashboards.grafana` writes them as JSON.

panels   what panels and queries are made of
market   what the market shows, and whether the books are true
trading  signals, decisions, fills, trades and what they earned
risk     equity, limits, the kill switch
system   latency, processes, journal and archive
"""
