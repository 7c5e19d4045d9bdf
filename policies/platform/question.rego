# METADATA
# title: What is asked, and what the directory knows of it
# description: |
#   The names that the other packages share. Grants rest on `membership` and `account`, which come from input.directory,
#   and that only Verdict writes; what the request itself claims may only deny.
package verdict.question

# What the catalogue says of the action; undefined for an action that is not in it.
entry := data.catalogue.actions[input.action.name]

account := properties if {
	properties := input.directory.account.properties
	is_object(properties)
}

membership := properties if {
	properties := input.directory.membership.properties
	is_object(properties)
}

# The grant models that the account uses.
models := account.access_models if {
	account.access_models
} else := ["roles"]

# The person (or service) whose grants count: of a token, its owner.
person := id if {
	id := input.directory.subject.id
	is_string(id)
} else := input.subject.id

# Only proof counts: a time that is missing, or is none, has not been reached and is not before us.
membership_runs if {
	is_number(input.facts.times.membership_ends)
	input.facts.now < input.facts.times.membership_ends
}

role := name if {
	name := membership.role
	is_string(name)
	name != ""
}

# "instance/inst-1"
resource := name if {
	name := concat("/", [input.resource.type, input.resource.id])
} else := "the resource"

# Whether this login was made with a second factor: true, or the factor's name.
default second_factor := false

second_factor if input.context.mfa == true

second_factor if {
	is_string(input.context.mfa)
	input.context.mfa != ""
}

# Where the resource is and where the action puts data.
default regions := []

regions := array.concat([input.facts.region], targets) if {
	targets := input.facts.target_regions
} else := input.facts.target_regions if {
	input.facts.target_regions
} else := [input.facts.region]

# As it stands in sentences.
who := concat(" ", [input.subject.type, input.subject.id]) if {
	is_string(input.subject.type)
	is_string(input.subject.id)
} else := "subject"

action := input.action.name if {
	is_string(input.action.name)
} else := "that was asked for"

# "owner", "owner or admin", "owner, admin or developer"
either(names) := "none" if {
	count(names) == 0
} else := names[0] if {
	count(names) == 1
} else := concat(" or ", [concat(", ", array.slice(names, 0, last)), names[last]]) if {
	last := count(names) - 1
}

reason(code, words) := {"code": code, "message": concat("", words)}
