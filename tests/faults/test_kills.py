"""kill -9 of a run, or of one of its processes, at random moments: every later run works, and the end is the same."""

import os
import random
import time

import pytest
from faults.runs import RECIPE, Run, finish, versions
from support.corpus import write_corpus, write_recipe
from support.tiny_model import make_tiny_model

from fineline.resources.core.storage.store import Storage
from fineline.resources.core.storage.tables import scan_table

pytestmark = [pytest.mark.rare, pytest.mark.model, pytest.mark.timeout(3 * 3600)]

FIRST_KILLS = 30
KILLS = 100
# The longest time between two kills, as a share of what an undisturbed run takes.
LONGEST = 0.25
# What is killed: everything, the run alone, or one of the processes below it.
VICTIMS = ("all", "run", "child")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kills")
    write_corpus(folder / "corpus")
    make_tiny_model(folder / "model", initializer_range=0.2)
    return folder


def test_a_first_run_killed_in_its_first_half_second_leaves_a_root_in_which_every_later_run_works(corpus, tmp_path):
    recipe = corpus / "first.yaml"
    recipe.write_text(RECIPE)
    whole, _ = finish(recipe, tmp_path / "undisturbed")
    while_made = 0
    for seed in range(FIRST_KILLS):
        folder, chosen = tmp_path / str(seed), random.Random(seed)
        run = Run(recipe, folder)
        # From the first write on: before it there are imports alone. Half of the kills are for Dagster's databases.
        while not any(run.root.glob("dagster/new-*" if seed % 2 else "*")):
            time.sleep(0.001)
        time.sleep(chosen.uniform(0, 0.5))
        assert run.kill("all", chosen)
        while_made += any(run.root.glob("dagster/new-*"))
        assert finish(recipe, folder)[0] == whole, seed
        print(f"kill {seed + 1} of {FIRST_KILLS}, {while_made} while Dagster's databases were made", flush=True)
    assert while_made > FIRST_KILLS / 4


def test_a_run_killed_at_any_moment_goes_on_to_the_same_end_and_loses_no_row(corpus, tmp_path):
    recipe = write_recipe(corpus)
    begun = time.monotonic()
    whole, _ = finish(recipe, tmp_path / "undisturbed")
    longest = LONGEST * (time.monotonic() - begun)
    lines = sum(len(path.read_text().splitlines()) for path in (corpus / "corpus").iterdir())
    came_in = lines + len(os.listdir(corpus / "notes"))
    kills, roots = 0, 0
    while kills < KILLS:
        folder, ended = tmp_path / str(roots), False
        while not ended:
            run = Run(recipe, folder)
            killed = False
            while not killed and kills < KILLS and not run.ends_within(random.Random(kills).uniform(0, longest)):
                chosen = random.Random(kills)
                victim = chosen.choices(VICTIMS, (6, 2, 2))[0]
                killed = run.kill(victim, chosen)
                kills += 1
                print(f"kill {kills} of {KILLS}: {victim}, root {roots}, {len(versions(run.root))} stored", flush=True)
            if not killed:
                run.process.wait(1800)
            # Of a child that was killed twice the run tells in words, and is to be started again.
            ended = not killed and run.ended(0, 1)
        found, words = finish(recipe, folder)
        assert "nothing had changed" in words
        assert found == whole, (kills, {key for key in whole if whole[key] != found.get(key)})
        assert scan_table(Storage(run.root), "record_ledger").collect().height == came_in, kills
        roots += 1
