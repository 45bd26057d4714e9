"""How we hear of changes: push channels, what arrives at the webhooks, and channels that say nothing any more."""
