"""Question files are read as people write them, and what cannot be meant is told with its line."""

import json

import pytest

from paperlode.ingest.errors import InvalidRequest
from paperlode.retrieval.question_file import EvalQuestion, check_target, question_id, read_questions, write_questions

QUESTIONS = [
    EvalQuestion(
        "a", "How long is the notice?", "lease.pdf", (1, 2), "90 days", other={"kind": "text"}, status="accepted"
    ),
    EvalQuestion("b", '净利润是多少，"合计"？\nsecond line', "年报.pdf", (0,), "1,250", status="proposed"),
    EvalQuestion("c", "Who is the king?", answerable=False),
]


def plain(questions):
    return [(q.id, q.question, q.document, q.pages, q.answer, q.answerable, q.status, dict(q.other)) for q in questions]


@pytest.mark.parametrize("name", ["q.jsonl", "q.csv"])
def test_what_is_written_is_read_back(tmp_path, name):
    """In both forms, whatever stands in the texts; an existing file is kept unless it is to be overwritten."""
    path = tmp_path / "new" / name
    write_questions(path, QUESTIONS)
    assert plain(read_questions(path)) == plain(QUESTIONS)
    with pytest.raises(InvalidRequest, match="people's edits"):
        write_questions(path, QUESTIONS[:1])
    with pytest.raises(InvalidRequest, match="people's edits"):
        check_target(path)
    assert len(read_questions(path)) == 3
    write_questions(path, QUESTIONS[:1], overwrite=True)
    assert len(read_questions(path)) == 1


def test_pages_count_from_1_in_the_file(tmp_path):
    """Page 2 of the file is index 1; a list, a number, text and ranges say the same."""
    path = tmp_path / "q.jsonl"
    write_questions(path, QUESTIONS[:1])
    assert json.loads(path.read_text())["pages"] == [2, 3]
    for said in ("[2, 3]", '"2 3"', '"2-3"', '"2, 3"', '["2", 3]', '"2 – 3"'):
        path.write_text(f'{{"question": "x", "document": "d", "pages": {said}}}')
        assert read_questions(path)[0].pages == (1, 2), said
    path.write_text('{"question": "x", "document": "d", "pages": 7}')
    assert read_questions(path)[0].pages == (6,)


def test_a_spreadsheet_of_another_country_is_read(tmp_path):
    """Semicolons, a byte order mark, Windows line ends, empty lines; line numbers are those of the file."""
    path = tmp_path / "q.csv"
    text = 'question;document;pages;answerable;topic\r\n"One; two";lease.pdf;4-5;yes;rent\r\n;;;;\r\nThree;;;no;\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    one, three = read_questions(path)
    assert (one.question, one.pages, one.answerable, one.other, one.line) == (
        "One; two",
        (3, 4),
        True,
        {"topic": "rent"},
        2,
    )
    assert (three.question, three.answerable, three.line) == ("Three", False, 4)


def test_a_question_without_an_id_has_a_lasting_one(tmp_path):
    """Made from question and document, so that lines may be moved between two runs."""
    path = tmp_path / "q.jsonl"
    path.write_text('{"question": "x", "document": "d"}\n{"question": "x"}\n')
    first, second = read_questions(path)
    assert first.id == question_id("x", "d") != second.id


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "this is no JSON"),
        ("[]", "this is no object"),
        ('{"question": " "}', "there is no question"),
        ('{"questions": "x"}', "there is no field 'questions'"),
        ('{"question": "x", "page": 4}', "there is no field 'page'"),
        ('{"question": "x", "document": "d", "pages": [0]}', "'0' is no page"),
        ('{"question": "x", "document": "d", "pages": "5-3"}', "'5-3' is no page"),
        ('{"question": "x", "document": "d", "pages": [true]}', "'True' is no page"),
        ('{"question": "x", "document": "d", "pages": {"a": 1}}', "is no page"),
        ('{"question": "x", "pages": [1]}', "no document"),
        ('{"question": "x", "answerable": "perhaps"}', "'answerable' is 'perhaps'"),
        ('{"question": "x", "document": "d", "pages": 1, "answerable": false}', "cannot be answered, and has pages"),
        ('{"question": "x", "status": "good"}', "the status 'good' is unknown"),
        ('{"question": ["x"]}', "the field 'question' holds no text"),
        ('{"id": "a", "question": "again"}', "the id 'a' stands in line 1 already"),
        ('{"question": "' + "x" * 10_001 + '"}', "longer than 10,000 characters"),
        ("[" * 200_000, "this is no JSON"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line(tmp_path, line, said):
    """The file, the line, what is wrong, and what to do."""
    path = tmp_path / "q.jsonl"
    path.write_text('{"id": "a", "question": "x"}\n\n' + line + "\n")
    with pytest.raises(InvalidRequest) as caught:
        read_questions(path)
    assert f"{str(path)!r}, line 3: " in caught.value.what
    assert said in caught.value.what
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,answer\na,b\n", "line 1: no column is called 'question'"),
        ("question,question\na,b\n", "line 1: two columns are called 'question'"),
        ("question,pages\nHow much, and when?,4,5\n", "line 2: 4 values under 2 column names"),
        ('question\n"a\nb"\n"c"d\n', "line 4: this is no CSV"),
        ("question\n\n", "holds no question"),
        ("", "holds no question"),
    ],
)
def test_what_is_wrong_in_a_csv_is_told(tmp_path, text, said):
    """Its lines counted as an editor counts them."""
    path = tmp_path / "q.csv"
    path.write_text(text)
    with pytest.raises(InvalidRequest, match=said):
        read_questions(path)


def test_files_that_cannot_be_read_are_told(tmp_path):
    """No such file, no text, another ending."""
    with pytest.raises(InvalidRequest, match="cannot be read: No such file"):
        read_questions(tmp_path / "q.jsonl")
    (tmp_path / "q.jsonl").write_bytes(b'{"question": "\xff"}')
    with pytest.raises(InvalidRequest, match="no UTF-8"):
        read_questions(tmp_path / "q.jsonl")
    with pytest.raises(InvalidRequest, match=r"\.jsonl or \.csv"):
        read_questions(tmp_path / "q.txt")


def test_a_spreadsheet_runs_nothing_out_of_a_document(tmp_path):
    """What would be a formula is quoted in the CSV, and read back as it was; a negative figure is left alone."""
    path = tmp_path / "q.csv"
    answers = ["=HYPERLINK(1)", "-1,250", "+cmd", "@SUM(A1)", "'=x", "-(5)", "(12)"]
    write_questions(path, [EvalQuestion(str(i), "x", answer=a) for i, a in enumerate(answers)])
    assert [q.answer for q in read_questions(path)] == answers
    cells = [row.split(",", 2)[2] for row in path.read_text().splitlines()[1:]]
    assert not any(c.lstrip(',"').startswith(("=", "+", "@", "-(")) for c in cells)


def test_a_field_is_told_as_text():
    """For breaking results down: own fields and other ones."""
    q = QUESTIONS[0]
    assert [q.value(n) for n in ("kind", "document", "answerable", "pages", "no")] == [
        "text",
        "lease.pdf",
        "true",
        "",
        "",
    ]
