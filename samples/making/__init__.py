"""How the sample archive is made: typesetting, tables, formulas, scanning, and the truth about all of it."""
