"""What a person asks of the engine: changes of links, seen before they are made; and what waits for an answer."""
