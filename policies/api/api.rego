# METADATA
# title: What a caller may do with Verdict's own API
# description: |
#   A credential names its permissions and its accounts; each request needs one permission, on one account or on none.
#   This bundle is built in, so that a platform's own policy can neither open nor lock the API.
package verdict.api

# METADATA
# title: May this caller do what it asks for?
# entrypoint: true
decision := {"allow": true, "reasons": [holds], "advice": []} if {
	count(denies) == 0
} else := {"allow": false, "reasons": denies, "advice": []}

denies := array.concat(lacking, outside)

default lacking := []

lacking := [reason("caller.permission", [caller, " does not have the permission ", permission, ", which this takes."])] if {
	not holds_permission
}

default outside := []

outside := [reason("caller.account", [caller, " has no access to the account ", account, "; it takes a credential for that account."])] if {
	not reaches_account
}

holds := reason("caller.permission", [caller, " has the permission ", permission, "."])

holds_permission if {
	input.need.permission in input.caller.permissions
}

# What concerns no account takes the permission alone.
reaches_account if input.need.account == null

reaches_account if {
	is_string(input.need.account)
	input.caller.accounts == "all"
}

reaches_account if {
	is_array(input.caller.accounts)
	input.need.account in input.caller.accounts
}

caller := concat("", ["The caller ", input.caller.id]) if {
	is_string(input.caller.id)
} else := "The caller"

permission := input.need.permission if {
	is_string(input.need.permission)
} else := "that was asked for"

account := input.need.account if {
	is_string(input.need.account)
} else := "that was asked for"

reason(code, words) := {"code": code, "message": concat("", words)}
