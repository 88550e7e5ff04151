"""Who the subscribers are: profiles."""
