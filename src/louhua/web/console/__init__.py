"""The operator's console: Django's administration under ``/console/``, its accounts, roles and pages.

Pages are thin: what may be done, and how, is said by the packages that they show.
"""
