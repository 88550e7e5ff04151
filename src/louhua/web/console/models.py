"""No tables: Django tells only applications that have this module when a migration has ended."""
