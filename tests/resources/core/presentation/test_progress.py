from fineline.resources.core.presentation.progress import every_few_seconds


def test_progress_is_said_every_few_seconds_and_at_the_end():
    now, said = [0.0], []
    report = every_few_seconds(said.append, "docs", seconds=8.0, clock=lambda: now[0])
    for second, done in [(1, 10), (5, 50), (9, 90), (10, 100), (20, 200)]:
        now[0] = second
        report(done, 200)
    assert said == [
        "docs: 90 of 200, 10 a second, about 11 s left",
        "docs: 200 of 200, 10 a second",
    ]


def test_progress_of_what_has_no_known_end_is_said_too():
    now, said = [0.0], []
    report = every_few_seconds(said.append, "rows read", clock=lambda: now[0])
    for second in (4, 9, 10):
        now[0] = second
        report(second * 10, None)
    assert said == ["rows read: 90, 10 a second"]
