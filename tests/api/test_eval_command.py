"""``paperlode eval``: what it prints and writes, how runs are kept and compared, and what it proposes."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from paperlode.api import cli, eval_command
from paperlode.api.archive import Archive
from paperlode.api.evaluation import asked_of, compared, estimates, evaluate, metrics_of
from paperlode.api.evaluation_runs import load_run, run_lines
from paperlode.api.proposing import propose
from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.question_file import EvalQuestion, read_questions

from ..retrieval.chat import ChatServer, ScriptedLLM  # noqa: TID252

RENT = "1.1 The rent of the flat is 1,250 euros a month, payable on the third working day."
NOTICE = "1.2 Either party may end this lease with ninety days of notice to the other party."
FILLER = (
    "The tenant keeps the rooms clean and aired, reports what is broken without delay, and lets nobody else live there unless "
    "the landlord has agreed in writing. The landlord keeps the roof, the walls, the pipes and the heating in good order. "
    "Repairs are made on working days between eight in the morning and six in the evening, and are announced before. "
)
PUMP = "Press the red button to stop the pump, and wait until the wheel stands still."
FILES = {"lease": (f"{RENT}\n\n{FILLER}",), "notice": ("", f"{NOTICE}\n\n{FILLER}"), "manual": (PUMP,)}
"""Pages of each file; one is blank."""
QUESTIONS: list[dict[str, Any]] = [
    {
        "id": "rent",
        "question": "How high is the rent?",
        "document": "lease.pdf",
        "pages": [1],
        "answer": "1,250 euros",
        "topic": "money",
    },
    {
        "id": "notice",
        "question": "How long is the notice?",
        "document": "notice",
        "pages": [2],
        "answer": "90 days",
        "topic": "time",
    },
    {
        "id": "pump",
        "question": "How is the pump stopped?",
        "document": "manual.pdf",
        "pages": [1],
        "status": "proposed",
    },
    {"id": "king", "question": "Who is the king of the moon?", "answerable": False},
    {"id": "bad", "question": "Pump?", "status": "rejected"},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An index of these files, made with the embedded model."""
    import pymupdf

    where = tmp_path_factory.mktemp("eval")
    for name, pages in FILES.items():
        doc = pymupdf.open()
        for text in pages:
            doc.new_page(width=612, height=792).insert_textbox((72, 100, 540, 400), text, fontsize=11)
        doc.save(where / f"{name}.pdf")
        doc.close()
    result = CliRunner().invoke(cli.app, ["ingest", str(where), "--index", str(where / "index"), "--workers", "1"])
    assert result.exit_code == 0, result.output
    return where / "index"


@pytest.fixture
def file(tmp_path):
    """The question file."""
    path = tmp_path / "questions.jsonl"
    path.write_text("".join(json.dumps(q) + "\n" for q in QUESTIONS))
    return path


def run(folder, *args):
    return CliRunner().invoke(cli.app, ["eval", *map(str, args), "--index", str(folder)])


def scores(result, scope="archive"):
    assert result.exit_code == 0, result.output
    return {m["name"]: m["value"] for m in json.loads(result.stdout)["scopes"][scope]["metrics"]}


def test_figures_are_printed_with_intervals_in_80_columns(folder, file):
    """Both scopes; rejected questions are not asked, proposed ones are and are told of; a breakdown by any field."""
    result = run(folder, file, "--by", "topic")
    assert result.exit_code == 0, result.output
    assert "4 questions asked of index: minilm." in result.stderr
    assert "1 of them are proposals that nobody has accepted yet." in result.stderr
    assert "1 cannot be answered; they count with --answers only." in result.stderr
    assert "Whole archive" in result.stdout
    assert "Inside the question's document" in result.stdout
    assert "  hit@1                   3  1.000  0.292 to 1.000" in result.stdout
    assert "  money                       1  1.000" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_json_tells_every_question(folder, file):
    """Its rank, scores and ranking; pages count from 0 there."""
    result = run(folder, file, "--json", "--by", "topic")
    assert scores(result)["MRR@10"] == 1.0
    assert scores(result, "document")["hit@1"] == 1.0
    found = json.loads(result.stdout)["scopes"]["archive"]
    notice = next(q for q in found["questions"] if q["id"] == "notice")
    assert (notice["name"], notice["pages"], notice["rank"]) == ("notice.pdf", [1], 1)
    assert notice["ranked"][0]["pages"] == [1]
    assert set(found["by"]) == {"money", "time", ""}
    inside = json.loads(result.stdout)["scopes"]["document"]["questions"]
    assert [q["id"] for q in inside] == ["rent", "notice", "pump"]
    assert {r["name"] for q in inside if q["id"] == "pump" for r in q["ranked"]} == {"manual.pdf"}


def test_only_accepted_questions_or_those_of_a_document(folder, file):
    """Proposals, or the other document, are left out; when nothing is left that is told."""
    assert json.loads(run(folder, file, "--json", "--accepted").stdout)["scopes"]["document"]["metrics"][0]["n"] == 2
    of_manual = json.loads(run(folder, file, "--json", "-d", "manual.pdf").stdout)
    assert [q["id"] for q in of_manual["scopes"]["archive"]["questions"]] == ["pump"]
    file.write_text(json.dumps(QUESTIONS[2]))
    assert "None of the 1 questions is left" in run(folder, file, "--accepted").stderr


def test_answers_are_judged(folder, file):
    """Without a model: figures, citations, and whether it refuses what cannot be answered."""
    found = scores(run(folder, file, "--answers", "--json", "--scope", "archive"))
    assert found["figures right"] == 1.0
    assert found["answered"] == 1.0
    assert found["citation recall"] == 1.0
    assert found["refused rightly"] in {0.0, 1.0}


def test_a_models_answers_are_judged(folder, file):
    """The right one, and the wrong one, which the check refuses: no figure, no citation, though passages are shown."""
    file.write_text(json.dumps(QUESTIONS[1]))
    for said, right in (("The notice is 90 days [1].", 1.0), ("The notice is 60 days [1].", 0.0)):
        with ChatServer(said) as server:
            result = run(folder, file, "--llm", server.url, "--model", "m", "--json", "--scope", "document")
        found = scores(result, "document")
        assert (found["figures right"], found["answered"], found["sentences supported"]) == (right, right, right)
        assert found["citation recall"] == right
        assert json.loads(result.stdout)["config"] == "index: minilm, answers by m"


def test_wrong_answers_are_listed(folder, file):
    """With what was expected."""
    file.write_text(json.dumps({**QUESTIONS[0], "answer": "1,300 euros"}))
    printed = run(folder, file, "--answers", "--scope", "archive").stdout
    assert "Without the figures expected, whole archive: 1" in printed
    assert "expected: 1,300 euros" in printed


def test_missed_questions_are_listed_with_what_was_found(folder, file):
    """A page that does not come among the best; pages as people count them."""
    file.write_text(
        json.dumps({**QUESTIONS[1], "document": "gone.pdf", "pages": [3]}) + "\n" + json.dumps(QUESTIONS[0])
    )
    result = run(folder, file)
    assert "Not in the archive, so missed: gone.pdf" in result.stderr
    assert "Not among the best 10, whole archive: 1" in result.stdout
    assert "wanted: gone.pdf, which is not in the archive\n    found:  notice.pdf p. 2" in result.stdout
    assert scores(run(folder, file, "--json"))["hit@10"] == 0.5
    assert scores(run(folder, file, "--json"), "document")["hit@10"] == 0.5


def test_what_makes_no_sense_is_refused_before_anything_is_asked(folder, file, tmp_path, monkeypatch):
    """A page the document does not have, an unknown field or scope, two comparisons, the same index twice, no such run."""
    monkeypatch.setattr(Archive, "search", None)
    for args, said in (
        (("--by", "topics"), "No question has a field 'topics'"),
        (("--scope", "page"), "There is no scope 'page'"),
        (("--against", file, "--against-rerank", "none"), "One comparison at a time"),
        (("--against-index", folder), "Both are the same index"),
        (("--against", tmp_path / "no"), "cannot be read"),
        (("--against", file), "this is no line of a run"),
        (("--make", "--answers"), "--make only proposes questions"),
        (("--make",), "people's edits"),
        (("--llm", "http://127.0.0.1:1"), "A language model needs an address and a name"),
    ):
        result = run(folder, file, *args)
        assert (result.exit_code, said in result.stderr) == (1, True), (args, result.stderr)
    file.write_text(json.dumps({**QUESTIONS[0], "pages": [3]}))
    assert "Question 'rent' (line 1) names page 3 of 'lease.pdf', which has 1." in run(folder, file).stderr
    file.write_text(json.dumps({**QUESTIONS[0], "document": "other.pdf"}))
    assert "None of the documents" in run(folder, file).stderr


def test_a_kept_run_is_compared(folder, file, tmp_path):
    """With itself there is no difference, answers included; the file has the lines that other scorers read."""
    kept = tmp_path / "run.jsonl"
    assert run(folder, file, "--answers", "--save", kept).exit_code == 0
    lines = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [x["question_id"] for x in lines] == ["rent", "notice", "pump", "king"]
    first = lines[1]["ranked"][0]
    assert (first["doc"], first["page"], first["pages"]) == ("notice", 1, [1])
    result = run(folder, file, "--answers", "--against", kept, "--json")
    for scope in ("archive", "document"):
        part = json.loads(result.stdout)["scopes"][scope]
        assert {(c["difference"], c["better"], c["worse"], c["p"]) for c in part["comparison"]} == {(0.0, 0, 0, 1.0)}
        assert {c["name"] for c in part["comparison"]} == {m["name"] for m in part["metrics"]}
        assert (part["only_this"], part["only_against"]) == ([], [])


def test_a_run_of_another_tool_is_compared(folder, file, tmp_path):
    """Only question, document by name, and pages; it missed one question, and has not been asked another."""
    kept = tmp_path / "run.jsonl"
    kept.write_text(
        '{"question_id": "rent", "ranked": [{"doc": "lease", "page": 1}, {"doc": "lease", "page": 0}]}\n'
        '{"question_id": "notice", "ranked": [{"doc": "notice", "pages": [0, 1]}]}\n'
        '{"question_id": "unknown", "ranked": []}\n'
    )
    for scope in ("archive", "document"):
        part = json.loads(run(folder, file, "--against", kept, "--scope", scope, "--json").stdout)["scopes"][scope]
        one = next(c for c in part["comparison"] if c["name"] == "hit@1")
        assert (one["n"], one["value"], one["against"], one["better"]) == (2, 1.0, 0.5, 1)
    kept.write_text('{"question_id": "rent", "ranked": []}\n')
    printed = run(folder, file, "--against", kept, "--scope", "archive").stdout
    assert "Among the best 5 only with this, whole archive: 1\n  How high is the rent?" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_a_kept_run_counts_also_where_its_document_is_gone(folder, file, tmp_path):
    """A run over a larger archive has found what this one cannot: that is a difference."""
    kept = tmp_path / "run.jsonl"
    kept.write_text(
        '{"question_id": "notice", "ranked": [{"doc": "gone", "page": 2, "document": "' + "0" * 64 + '"}]}\n'
    )
    file.write_text(
        json.dumps({**QUESTIONS[1], "document": "gone.pdf", "pages": [3]}) + "\n" + json.dumps(QUESTIONS[0])
    )
    part = json.loads(run(folder, file, "--against", kept, "--json").stdout)["scopes"]["archive"]
    assert {(c["value"], c["against"]) for c in part["comparison"]} == {(0.0, 1.0)}
    assert part["only_against"] == ["notice"]


def test_two_indexes_are_compared(folder, file, tmp_path):
    """The same questions of both; what one of them lacks is told."""
    import shutil

    other = tmp_path / "smaller"
    shutil.copytree(folder, other)
    assert CliRunner().invoke(cli.app, ["delete", "manual", "--index", str(other)]).exit_code == 0
    result = run(folder, file, "--against-index", other)
    assert result.exit_code == 0, result.output
    assert "this:    index: minilm\nagainst: smaller: minilm" in result.stdout
    assert "Not in what it is compared with, so missed: manual.pdf" in result.stderr
    assert "  hit@1                 1.000    0.667  +0.333" in result.stdout
    assert "Among the best 5 only with this, whole archive: 1\n  How is the pump stopped?" in result.stdout


class Backwards:
    """A reranker that likes least what the search likes most."""

    name = "backwards"

    def score(self, question, passages):
        return [float(n) for n in range(len(passages))]


def test_two_rerankers_are_compared(folder, file, monkeypatch):
    """The archive's own, here none, with another; it is used for the one run only."""
    seen = []

    def asks(archive, asked, **how):
        seen.append(archive.reranker)
        return evaluate(archive, asked, **how)

    judge = Backwards()
    monkeypatch.setattr("paperlode.retrieval.rerank.load_reranker", lambda *_, **__: judge)
    monkeypatch.setattr("paperlode.api.evaluation.evaluate", asks)
    monkeypatch.setattr(Archive, "search", lambda *_, **__: [])
    result = run(folder, file, "--against-rerank", "st:any", "--json")
    assert result.exit_code == 0, result.output
    assert seen == [None, judge]
    out = json.loads(result.stdout)
    assert (out["config"], out["against"]) == ("index: minilm", "index: minilm, reranked by backwards")
    assert eval_command._reranker("none") is None


def test_progress_is_told(folder, file):
    """Of searches: a question with a document is asked twice."""
    told = []
    with Archive.open(folder) as archive:
        evaluate(archive, asked_of(archive, read_questions(file)[:4]), on_progress=lambda *x: told.append(x))
    assert told[0] == (0, 7)
    assert told[-1] == (7, 7)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_question_without_pages_tells_of_the_document_alone(folder):
    """No page metric is made up for it."""
    with Archive.open(folder) as archive:
        run = evaluate(archive, asked_of(archive, [EvalQuestion("x", "How high is the rent?", "lease.pdf")]))
        assert set(metrics_of(run, "archive")) == {"right document@1"}
        assert metrics_of(run, "document") == {}
        (e,) = estimates(metrics_of(run, "archive"))
        assert (e.value, e.n) == (1.0, 1)


def test_a_run_twice_over_a_question_is_refused(folder, file, tmp_path):
    """Two runs in one file are no run."""
    with Archive.open(folder) as archive:
        asked = asked_of(archive, read_questions(file)[:1])
        done = evaluate(archive, asked)
        kept = tmp_path / "run.jsonl"
        kept.write_text("".join(run_lines(done, {})) * 2)
        with pytest.raises(InvalidRequest, match="line 2: the question 'rent' stands there twice"):
            load_run(kept, archive, asked, ("archive",))
        kept.write_text("".join(run_lines(done, {})))
        again = load_run(kept, archive, asked, ("archive", "document"))
        assert again.ranked == done.ranked
        assert all(c.difference == 0 for c in compared(done, again, "document"))


def test_questions_are_proposed_and_read_straight_back(folder, tmp_path):
    """The same ones for the same seed; a file that is there is not overwritten without --force."""
    path = tmp_path / "made.jsonl"
    result = run(folder, path, "--make")
    assert result.exit_code == 0, result.output
    made = read_questions(path)
    assert [(q.question, q.document, q.pages, q.answer) for q in made] == [
        ("What does section 1.1 say, according to lease?", "lease.pdf", (0,), RENT[4:]),
        ("What does section 1.2 say, according to notice?", "notice.pdf", (1,), NOTICE[4:]),
    ]
    assert {(q.status, q.other["kind"]) for q in made} == {("proposed", "clause")}
    assert "Nothing could be asked for sure of manual.pdf" in result.stderr
    before = path.read_bytes()
    assert run(folder, path, "--make").exit_code == 1
    assert path.read_bytes() == before
    assert json.loads(run(folder, path, "--make", "--force", "--count", 1, "--json").stdout)["questions"] == 1
    assert run(folder, path, "--make", "--force").exit_code == 0
    assert path.read_bytes() == before
    assert scores(run(folder, path, "--json"))["hit@10"] == 1.0
    assert "Nothing can be asked of manual.pdf" in run(folder, tmp_path / "x.csv", "--make", "-d", "manual").stderr
    assert not (tmp_path / "x.csv").exists()


def test_a_language_model_is_asked_about_passages_spread_over_pages(tmp_path, docs, word_model, parser, pdf_writer):
    """What it repeats is dropped, and no more than a few passages a question are tried."""
    sentence = "The rent of a flat is 1,250 euros a month, payable at once."
    pdf_writer(docs / "long.pdf", [[f"{n} {sentence}"] * 10 for n in range(3)])
    llm = ScriptedLLM(json.dumps([{"question": "What does the flat cost a month?", "answer": "1,250 euros"}]))
    with Archive.create(tmp_path / "index", embedder=word_model) as archive:
        archive.ingest([docs], parser=parser)
        made = propose(archive, count=1, documents=["long"], llm=llm)
        assert (len(made.questions), made.passages) == (1, 1)
        made = propose(archive, count=2, llm=llm)
    assert [(q.document, q.question, q.answer) for q in made.questions] == [
        ("long.pdf", "What does the flat cost a month?", "1,250 euros")
    ]
    assert 1 < made.passages <= 8
    assert made.questions[0].status == "proposed"
    assert set(made.barren) == {"lease.pdf", "manual.pdf"}
    wrong = ScriptedLLM(json.dumps([{"question": "What does the flat cost a month?", "answer": "1,350 euros"}]))
    again = Archive.open(tmp_path / "index", embedder=word_model)
    with (
        again,
        pytest.raises(InvalidRequest, match=r"was shown \d passages, and asked nothing that its passage answers"),
    ):
        propose(again, count=1, llm=wrong)
    assert 1 < len(wrong.asked) <= 4
