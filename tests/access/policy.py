"""Who may do what, written by hand: the oracle, which knows nothing of the code's own policy.

One line for each operation of the contract: its id, the scopes that it asks of an API key (`-`:
it is not for keys; `any`: every valid key may), and the status that each caller gets for parent
A's or the school's objects. Whoever may not do such a thing at all gets 403; whoever may, but not
with these objects, gets 404 as if they were not there.

A new operation needs its line here, and its request in `requests.py`.
"""

from dataclasses import dataclass
from typing import Final

from tests.access.world import CALLERS

PUBLIC: Final = frozenset(
    {
        "create_token",
        "request_login_token",
        "redeem_login_token",
        "read_key_set",
        "read_liveness",
        "read_readiness",
    }
)
# What a session may do that came from a login token; all else is 403.
RESTRICTED: Final = frozenset({"set_password", "log_out"})

_TABLE: Final = """
#                                                  parent    tea- acc- man-     other school
# operation                 scopes                  A    B   cher ount ager admin  all  key
log_out                     any                    204  204  204  204  204  204   204  204
set_password                -                      200  200  200  200  200  200   200  403
read_me                     -                      200  200  200  200  200  200   200  403
read_second_factor          -                      200  200  200  200  200  200   200  403
begin_second_factor         -                      201  201  201  201  201  201   201  403
# Newcomers have none, which is told to whoever may ask.
confirm_second_factor       -                      409  409  409  409  409  409   409  403
renew_recovery_codes        -                      409  409  409  409  409  409   409  403
remove_second_factor        -                      409  409  409  409  409  409   409  403
read_school_security        -                      403  403  403  403  403  200   200  403
set_school_security         -                      403  403  403  403  403  200   200  403
list_school_years           school:read             200  200  200  200  200  200   200  200
create_school_year          school:write            403  403  403  403  201  201   201  201
list_compartments           school:read             200  200  200  200  200  200   200  200
read_compartment            school:read             200  200  200  200  200  200   404  404
change_compartment          school:write            403  403  403  403  200  200   404  404
promote_students            school:write            403  403  403  403  200  200   404  404
read_dashboard              events:read,invoices:read,wallets:read \
                                                   200  200  403  200  200  200   200  200

list_sessions               -                      200  200  200  200  200  200   200  403
change_session              -                      200  404  404  404  404  404   404  403
end_session                 -                      204  404  404  404  404  404   404  403
end_other_sessions          -                      204  204  204  204  204  204   204  403

create_api_key              -                      403  403  403  403  403  201   201  403
list_api_keys               -                      403  403  403  403  403  200   200  403
revoke_api_key              -                      403  403  403  403  403  200   404  403

list_wallets                wallets:read           200  200  403  200  200  200   200  200
read_wallet                 wallets:read           200  404  403  200  200  200   404  404
list_wallet_operations      wallets:read           200  404  403  200  200  200   404  404
read_wallet_top_up          wallets:read           200  404  403  200  200  200   404  404

create_invoice              invoices:read,invoices:write \
                                                   403  403  403  201  201  201   404  404
list_invoices               invoices:read          200  200  403  200  200  200   200  200
summarise_invoices          invoices:read          200  200  403  200  200  200   200  200
read_invoice                invoices:read          200  404  403  200  200  200   404  404
discard_invoice             invoices:read,invoices:write \
                                                   403  403  403  204  204  204   404  404
issue_invoice               invoices:read,invoices:write \
                                                   403  403  403  200  200  200   404  404
read_invoice_payment        invoices:read          200  404  403  200  200  200   404  404
read_invoice_pdf            invoices:read          200  404  403  200  200  200   404  404
pay_invoice                 invoices:pay,invoices:read,wallets:read \
                                                   201  404  403  201  201  201   404  404

import_bank_statement       bank-statements:write  403  403  403  201  201  201   422  422
list_bank_statements        bank-statements:read   403  403  403  200  200  200   200  200
read_bank_statement         bank-statements:read   403  403  403  200  200  200   404  404
list_bank_transactions      bank-transactions:read 403  403  403  200  200  200   200  200
read_bank_transaction       bank-transactions:read 403  403  403  200  200  200   404  404
allocate_bank_transaction   bank-transactions:write,invoices:read,wallets:read \
                                                   403  403  403  201  201  201   404  404

create_event                events:write           403  403  403  403  201  201   404  404
list_events                 events:read            200  200  200  200  200  200   200  200
read_event                  events:read            200  404  200  200  200  200   404  404
change_event                events:write           403  403  403  403  200  200   404  404
delete_event                events:write           403  403  403  403  204  204   404  404

create_class_group          people:write           403  403  403  403  201  201   404  404
list_class_groups           people:read            403  403  403  200  200  200   200  200
list_students               students:read          200  200  403  200  200  200   200  200
enrol_student               people:write           403  403  403  403  201  201   404  404
read_student                students:read          200  404  403  200  200  200   404  404
record_departure            people:write           403  403  403  403  200  200   404  404
undo_departure              people:write           403  403  403  403  200  200   404  404
create_guardian             people:write           403  403  403  403  201  201   201  201
list_guardians              people:read            403  403  403  200  200  200   200  200
invite_guardian             -                      403  403  403  403  202  202   404  403
invite_guardians            -                      403  403  403  403  202  202   404  403
print_login_letters         -                      403  403  403  403  200  200   422  403
create_family               people:write           403  403  403  403  201  201   404  404
add_family_student          people:write           403  403  403  403  201  201   404  404
list_families               people:read            403  403  403  200  200  200   200  200
create_guardianship         people:write           403  403  403  403  201  201   404  404
import_roll                 people:write           403  403  403  403  201  201   201  201
export_roll                 people:read,students:read \
                                                   403  403  403  200  200  200   200  200
change_guardianship         people:write           403  403  403  403  200  200   404  404
list_guardianships          people:read            403  403  403  200  200  200   200  200
read_guardianship           people:read            403  403  403  200  200  200   404  404
change_student              people:write           403  403  403  403  200  200   404  404
read_guardian               people:read            403  403  403  200  200  200   404  404
change_guardian             people:write           403  403  403  403  200  200   404  404
read_family                 people:read            403  403  403  200  200  200   404  404
change_family               people:write           403  403  403  403  200  200   404  404

list_mails                  mails:read             403  403  403  403  200  200   200  200
read_mail                   mails:read             403  403  403  403  200  200   404  404
retry_mail                  mails:read,people:write \
                                                   403  403  403  403  202  202   404  404

create_webhook_endpoint     webhooks:read,webhooks:write \
                                                   403  403  403  403  201  201   201  201
list_webhook_endpoints      webhooks:read          403  403  403  403  200  200   200  200
read_webhook_endpoint       webhooks:read          403  403  403  403  200  200   404  404
change_webhook_endpoint     webhooks:read,webhooks:write \
                                                   403  403  403  403  200  200   404  404
delete_webhook_endpoint     webhooks:read,webhooks:write \
                                                   403  403  403  403  204  204   404  404
rotate_webhook_secret       webhooks:read,webhooks:write \
                                                   403  403  403  403  201  201   404  404
send_test_webhook           webhooks:read,webhooks:write \
                                                   403  403  403  403  202  202   404  404
redeliver_failed_webhooks   webhooks:read,webhooks:write \
                                                   403  403  403  403  202  202   404  404
list_webhook_deliveries     webhooks:read          403  403  403  403  200  200   200  200
read_webhook_delivery       webhooks:read          403  403  403  403  200  200   404  404
redeliver_webhook           webhooks:read,webhooks:write \
                                                   403  403  403  403  202  202   404  404

list_audit_events           -                      403  403  403  403  403  200   200  403

create_export               -                      403  403  403  403  403  202   404  403
list_exports                -                      403  403  403  403  403  200   200  403
read_export                 -                      403  403  403  403  403  200   404  403
read_export_file            -                      403  403  403  403  403  200   404  403
preview_student_erasure     -                      403  403  403  403  403  200   404  403
erase_student               -                      403  403  403  403  403  200   404  403
preview_guardian_erasure    -                      403  403  403  403  403  200   404  403
erase_guardian              -                      403  403  403  403  403  200   404  403

list_members                -                      403  403  403  403  403  200   200  403
create_member               -                      403  403  403  403  403  201   201  403
read_member                 -                      403  403  403  403  403  200   404  403
change_member_roles         -                      403  403  403  403  403  200   404  403
end_membership              -                      403  403  403  403  403  204   404  403
invite_member               -                      403  403  403  403  403  202   404  403
disable_member              -                      403  403  403  403  403  200   404  403
enable_member               -                      403  403  403  403  403  200   404  403
change_member_login         -                      403  403  403  403  403  200   404  403
read_guardian_login         people:read            403  403  403  200  200  200   404  404
change_guardian_login       -                      403  403  403  403  200  200   404  403
unlink_guardian_login       -                      403  403  403  403  204  204   404  403
offer_membership            -                      403  403  403  403  202  202   404  403
list_guardian_offers        people:read            403  403  403  200  200  200   404  404
withdraw_offers             -                      403  403  403  403  204  204   404  403

change_me                   -                      200  200  200  200  200  200   200  403
request_email_change        -                      202  202  202  202  202  202   202  403
confirm_email_change        -                      400  400  400  400  400  400   400  403
list_my_offers              -                      200  200  200  200  200  200   200  403
accept_offer                -                      200  404  404  404  404  404   404  403
decline_offer               -                      200  404  404  404  404  404   404  403
"""


@dataclass(frozen=True, slots=True)
class Rule:
    """What the table says of one operation."""

    scopes: frozenset[str] | None
    """Those that an API key needs; none: any key; None: it is not for keys."""
    statuses: dict[str, int]
    """Caller → status."""

    @property
    def success(self) -> int:
        """The status of those who may."""
        return min(self.statuses.values())


def _rules() -> dict[str, Rule]:
    rules = {}
    for line in _TABLE.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        operation, scopes, *statuses = line.split()
        rules[operation] = Rule(
            None if scopes == "-" else frozenset(set(scopes.split(",")) - {"any"}),
            dict(zip(CALLERS, map(int, statuses), strict=True)),
        )
    return rules


RULES: Final = _rules()
