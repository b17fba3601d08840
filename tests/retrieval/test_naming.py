from paperlode.retrieval.naming import without_names


def test_the_name_of_the_document_is_dropped():
    """Words and possessives that only repeat the file name are not searched for inside it; years are."""
    asked = "What is Adobe's operating margin in FY2022, compared with 2021?"
    assert without_names(asked, ["ADOBE_2022_10K.pdf"]) == "What is operating margin in FY2022, compared with 2021?"


def test_a_question_that_is_only_the_name_stays():
    """A question of which nothing would be left is searched as it is."""
    assert without_names("Adobe?", ["ADOBE_2022_10K.pdf"]) == "Adobe?"


def test_other_words_stay():
    """Without names nothing is dropped, Chinese included."""
    assert without_names("2023年营业收入 是多少", []) == "2023年营业收入 是多少"
