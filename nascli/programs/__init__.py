"""Programs: what the verbs do, on plain objects, with a run folder and a listener.

Nothing here reads a config, prints, ends the process or handles signals: what is to be said comes
back as an outcome, or goes through the problem's listener.
"""
