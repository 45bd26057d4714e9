"""The engine: pull what changed, plan what follows, push it; and put right what went wrong on the way."""
