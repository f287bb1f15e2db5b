"""Who may do what: roles, grants, and the secrets by which somebody is known. No storage, no HTTP.

::

    principal   who asks, with grants
      ↑ grants      what a role allows, for which settings
    token       secrets of programs
    password    secrets of people
"""
