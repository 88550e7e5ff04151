"""Files of charges (CDR files): their format, how they are written, and how they are checked."""
