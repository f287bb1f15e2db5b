"""Tables for terminals."""

from heksher.cli.text_table import draw_table


def test_columns_are_as_wide_as_their_widest_cell():
    """With nothing at the end of a line, and a dash for nothing."""
    assert "NAME  GRANTS\na     read\nlong  -" == draw_table(("NAME", "GRANTS"), [("a", "read"), ("long", "")])


def test_a_table_without_rows_is_its_headings():
    """Which say what there would be."""
    assert "NAME  GRANTS" == draw_table(("NAME", "GRANTS"), [])


def test_letters_count_as_terminals_show_them():
    """Some take two places, and an accent on its own none."""
    assert "N     G\n李李  a\ne\u0301     b\né     c" == draw_table(
        ("N", "G"), [("李李", "a"), ("e\u0301", "b"), ("é", "c")]
    )


def test_a_terminal_is_sent_no_commands():
    """Whatever somebody is called elsewhere."""
    assert "N\n\\x1b[2Ja\\nb\\u202e" == draw_table(("N",), [("\x1b[2Ja\nb\u202e",)])
