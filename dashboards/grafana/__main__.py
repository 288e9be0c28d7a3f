"""`python -m dashboards.grafana`: the dashboards as JSON files."""

from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.grafana import market, risk, system, trading

GENERATED = Path(__file__).parent / "generated"


def texts() -> dict[str, str]:
    """The files by name."""
    boards = {"market": market, "trading": trading, "risk": risk, "system": system}
    encoder = JSONEncoder(sort_keys=True, indent=2)
    return {
        f"{name}.json": encoder.encode(module.board().build()) + "\n"
        for name, module in boards.items()
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (GENERATED / name).write_text(text, encoding="utf-8")
