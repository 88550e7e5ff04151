"""RTP of the calls: prompts, keys and recordings, in processes of their own."""
