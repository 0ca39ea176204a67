"""The scenario of docs/living.md, with the real daemon and webserver."""

import pytest
from living.letters import ADDRESS, PERSON
from living.scenario import Scenario

pytestmark = [pytest.mark.daemon, pytest.mark.model, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    scenario = Scenario(tmp_path_factory.mktemp("living"))
    yield scenario
    scenario.close()


def test_files_arrive_tables_follow_a_person_is_forgotten_and_one_training_follows(scenario):
    for stage in scenario.stages():
        stage()
    for path in scenario.root.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert PERSON.encode() not in content, path
            assert ADDRESS.encode() not in content, path
