"""How people sign in: with a password, or through a provider of identities (OpenID Connect). No HTTP server, no pages.

::

    sign_in_service        the ways to sign in that there are, and the sessions that come of them
      ↑ single_sign_on       the way to a provider and back: state bound to the browser, code, claims
          ↑ provided_identity    who somebody is, and what their groups allow, as a record of a person
          ↑ provider             what a provider says of itself and its keys, kept for an hour
              ↑ id_token             what is believed, after all checks
              ↑ provider_client      requests to it, bounded in time and size
      ↑ password_sign_in     name and password
          ↑ rate_limit           how often somebody may try
      ↑ signing_key          what cookies are signed with
    sign_in_error          why somebody is not signed in
"""
