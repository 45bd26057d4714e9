"""The smoke run: three accounts, hundreds of events, live changes of every kind on the whole system.

Run it by `python -m tests.smoke`.
"""
