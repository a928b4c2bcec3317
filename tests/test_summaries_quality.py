"""The benchmark of summaries: `local` reaches its goals, and the figures are right."""

from benchmarks import summaries


def test_the_goals_are_reached(capsys):
    assert summaries.main(["--check"]) == 0, capsys.readouterr().out


def test_figures_of_questions():
    questions = [{"query": "a", "relevant": ["x"]}, {"query": "b", "relevant": ["y"]}, {"query": "c", "relevant": []}]
    found = summaries.asked(lambda query: (["z", "x", "w", "y"], query == "a"), questions)
    assert found == {"recall@3": 0.5, "mrr": (1 / 2 + 1 / 4) / 2, "nothing right": 1, "nothing wrong": 1}
