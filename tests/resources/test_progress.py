from fineline.resources.progress import every_few_seconds


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
