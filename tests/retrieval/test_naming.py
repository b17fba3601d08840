from paperlode.retrieval.naming import without_names


def test_the_name_and_year_of_the_document_are_dropped():
    """Words, possessives and fiscal years that only repeat the file name are not searched for inside it."""
    asked = "What is Adobe's operating margin in FY2022, compared with 2021?"
    assert without_names(asked, ["ADOBE_2022_10K.pdf"]) == "What is operating margin in compared with 2021?"


def test_a_question_that_is_only_the_name_stays():
    """A question of which nothing would be left is searched as it is."""
    assert without_names("Adobe 2022", ["ADOBE_2022_10K.pdf"]) == "Adobe 2022"


def test_other_words_stay():
    """Without names nothing is dropped, Chinese included."""
    assert without_names("2023年营业收入 是多少", []) == "2023年营业收入 是多少"
