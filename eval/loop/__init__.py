"""The loop that learns from its own chat: simulated people, rounds, what each round showed."""
