"""What a person is shown: how everything stands, why, and when there is time. Reads only."""
