"""The rentals of a month: who owes one, how it is collected, and what becomes of who does not pay."""
