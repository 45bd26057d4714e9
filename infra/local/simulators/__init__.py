"""Simulators of the calendar providers: real HTTP, real tokens, real pushes, and a switch for each fault.

Each provider is a package (`google`, `microsoft`) with `build(...) -> aiohttp.web.Application`, written only
from what the vendor documents (see the package's behaviours.md) and never from the product's adapters, so that
the two can disagree. The modules beside this one know no provider:

exchange       one call to an API, alone or inside a batch: routing, counting, authentication, faults
authorization  the OAuth 2.0 authorization server: accounts, clients, consent, codes, tokens (values in credentials)
faults         the switchboard: which calls fail, how, and how often
deliveries     posts notifications to webhooks, with retries
journal        what was written, requested and mailed, for tests and oracles to read
state          rows that outlive the process
clock          the provider's clock, which may be wrong
port           what a provider gives to the modules below
admin, pages   the /_sim routes and the pages for people
server         puts it all into one application
"""
