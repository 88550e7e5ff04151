"""One machine: its servers, its roles, and what watches over them."""
