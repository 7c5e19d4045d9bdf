# METADATA
# title: Separation of duties
# description: Whoever asked for a change doesn't approve it; who asked for it is the directory's to say.
package verdict.guardrails.duties

import data.verdict.question

default findings := []

findings := [["duties", question.reason("duties.same_person", words)]] if {
	question.entry.approves
	requester == question.person
	words := ["The ", question.who, " asked for ", question.resource, "; its approval takes somebody else."]
} else := [["duties", question.reason("duties.same_person", words)]] if {
	question.entry.approves
	not requester
	words := [question.resource, " does not say who asked for it (requested_by); its approval takes somebody else than they."]
}

requester := id if {
	id := trim_prefix(input.directory.resource.properties.requested_by, "user/")
	id != ""
}
