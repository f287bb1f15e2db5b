"""How people sign in: with a password, or through a provider of identities (OpenID Connect). No HTTP server, no pages.

::

    single_sign_on         the way to a provider and back: state bound to the browser, code, claims
      ↑ identity             who somebody is, and what their groups allow, as a record of a person
      ↑ provider             what a provider says of itself and its keys, kept for an hour
        ↑ id_token             the one thing that is believed, after all checks
        ↑ provider_client      requests to it, bounded in time and size; the border to Authlib
    password_sign_in       name and password
      ↑ rate_limit           how often somebody may try
    sign_in_error          why somebody is not signed in
"""
