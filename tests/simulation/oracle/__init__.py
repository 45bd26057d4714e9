"""The independent oracle: it imports nothing of the product, and judges by what the providers hold and what happened
there. Everything that it is given is plain data (`judging.History`)."""
