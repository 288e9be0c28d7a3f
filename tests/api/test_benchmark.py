"""The benchmark: its contenders do the work that they are timed for."""

from decimal import Decimal

import pytest

from api.benchmark import NaiveBooks, is_depth, measure
from api.cli.synth import synthetic_frames
from flows.domain.errors import ConfigurationError
from flows.domain.frame import RawFrame

FRAMES = list(synthetic_frames(["BTCUSDT", "ETHUSDT"], 5, 7))


def test_measure_synthetic_market_gives_every_figure() -> None:
    told: list[int] = []
    figures = measure(FRAMES, told.append)
    assert sum(told) == figures["frames"] == len(FRAMES)
    depth = [frame for frame in FRAMES if "@depth" in frame.stream]
    assert figures["messages"] == len(depth)
    for name in ("naive_book_us", "reference_book_us", "reference_path_us"):
        assert (figures[name] or 0) > 0
    assert figures["native_book_us"] is figures["native_path_us"] is None
    assert (figures["levels_per_message"] or 0) > 5


def test_measure_no_depth_event_raises_configuration_error() -> None:
    tickers = [frame for frame in FRAMES if not is_depth(frame)]
    with pytest.raises(ConfigurationError, match="no depth event"):
        measure(tickers, lambda _done: None)


def test_naive_books_snapshot_then_delta_is_the_true_top_five() -> None:
    books = NaiveBooks()
    levels = ",".join(f'["{price}","1"]' for price in range(1, 8))
    asks = ",".join(f'["{price}","1"]' for price in range(11, 18))
    books.apply(RawFrame(1, "x@depth@100ms", b'{"b":[["10.5","1"]],"a":[]}'))
    snapshot = f'{{"lastUpdateId":1,"bids":[{levels}],"asks":[{asks}]}}'
    books.apply(RawFrame(2, "x@snapshot", snapshot.encode()))
    top = books.apply(RawFrame(3, "x@depth@100ms", b'{"b":[["8","2"]],"a":[]}'))
    assert [int(price) for price, _ in top] == [8, 7, 6, 5, 4, 11, 12, 13, 14, 15]


def test_naive_books_zero_quantity_removes_the_level() -> None:
    books = NaiveBooks()
    stream = "x@depth@100ms"
    books.apply(RawFrame(1, stream, b'{"b":[["1","2"]],"a":[["3","4"]]}'))
    top = books.apply(RawFrame(2, stream, b'{"b":[["1","0.0"],["9","0"]],"a":[]}'))
    assert top == [(Decimal(3), Decimal(4))]
