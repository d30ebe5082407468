"""Rows of people and their ways in: SQL, and no decisions."""

from itschool_api.auth.repository.counters import KnownOrigins, RateCounters
from itschool_api.auth.repository.keys import ApiKeys, SigningKeys
from itschool_api.auth.repository.login_tokens import LoginTokenRequests, LoginTokens
from itschool_api.auth.repository.second_factors import SecondFactors
from itschool_api.auth.repository.sessions import LiveSession, UserSessions
from itschool_api.auth.repository.users import Users

__all__ = [
    "ApiKeys",
    "KnownOrigins",
    "LiveSession",
    "LoginTokenRequests",
    "LoginTokens",
    "RateCounters",
    "SecondFactors",
    "SigningKeys",
    "UserSessions",
    "Users",
]
