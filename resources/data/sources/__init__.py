"""One connector a kind of source, and the table that names them."""
