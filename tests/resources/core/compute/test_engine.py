from contextlib import closing
from itertools import count, islice

import pytest
from support import workers
from support.workers import Answering, Squares

from fineline.resources.core.compute.engine import Inline, Processes, local_engine

ENGINES = [Inline, lambda: Processes(2)]


@pytest.fixture(params=ENGINES, ids=["inline", "processes"])
def engine(request):
    with closing(request.param()) as engine:
        yield engine


def lines(folder, name):
    return (folder / name).read_text().split() if (folder / name).exists() else []


def test_results_come_in_the_order_of_the_units(engine, tmp_path):
    assert list(engine.each(Squares(tmp_path, seconds=0.02), range(20))) == [number**2 for number in range(20)]


def test_no_units_give_no_results_and_build_nothing(engine, tmp_path):
    assert list(engine.each(Squares(tmp_path), [])) == []
    assert lines(tmp_path, "built") == []


def test_units_are_pulled_as_results_are_taken(engine, tmp_path):
    pulled = []
    units = (pulled.append(number) or number for number in count())
    results = engine.each(Squares(tmp_path), units)
    for taken in range(1, 30):
        next(results)
        assert len(pulled) <= taken + 8


def test_equal_factories_share_warm_workers_and_closing_leaves_each(engine, tmp_path):
    for _ in range(3):
        assert list(engine.each(Squares(tmp_path), range(8))) == [number**2 for number in range(8)]
    built = lines(tmp_path, "built")
    assert len(built) == len(set(built)) <= 2
    assert lines(tmp_path, "left") == []
    engine.close()
    assert sorted(lines(tmp_path, "left")) == sorted(built)


def test_an_engine_works_again_after_it_was_closed(engine, tmp_path):
    for _ in range(2):
        assert list(engine.each(Squares(tmp_path), [3])) == [9]
        engine.close()


def test_two_iterators_may_take_turns(engine, tmp_path):
    (tmp_path / "other").mkdir()
    first, second = (engine.each(Squares(folder), range(6)) for folder in (tmp_path, tmp_path / "other"))
    assert list(zip(first, second, strict=True)) == [(number**2, number**2) for number in range(6)]


def test_an_error_arrives_as_it_is_with_its_cause_after_the_results_before_it(engine):
    results = engine.each(Answering(), [workers.process, workers.fails_with_cause, workers.process])
    assert next(results) > 0
    with pytest.raises(ValueError, match="no such record") as raised:
        next(results)
    assert str(raised.value) == "no such record"
    assert isinstance(raised.value.__cause__, ConnectionResetError)
    assert raised.value.__cause__.errno == 104


def test_an_error_of_a_factory_arrives_as_it_is(engine):
    with pytest.raises(LookupError, match="the model is not installed"):
        list(engine.each(workers.Refusing(), [1, 2, 3]))


def test_a_unit_that_fails_leaves_the_engine_usable(engine, tmp_path):
    with pytest.raises(ValueError, match="no such record"):
        list(engine.each(Answering(), [workers.fails_with_cause]))
    assert list(engine.each(Squares(tmp_path), [2])) == [4]


def test_leaving_early_pulls_no_more_units(engine, tmp_path):
    pulled = []
    for _ in islice(engine.each(Squares(tmp_path), (pulled.append(n) or n for n in range(1000))), 3):
        pass
    assert len(pulled) < 20


def test_one_process_is_this_one():
    assert list(local_engine(1).each(Answering(), [workers.process])) == [workers.process()]
    with closing(local_engine(2)) as engine:
        assert list(engine.each(Answering(), [workers.process])) != [workers.process()]
