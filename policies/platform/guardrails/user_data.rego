# METADATA
# title: Secrets in user data
# description: Keys and passwords that stand in cloud-init user data (facts.user_data) are named by kind and line, never shown.
package verdict.guardrails.user_data

import data.verdict.question

default findings := []

findings := [["user_data", question.reason("user_data.secret", words)]] if {
	found := input.facts.user_data.findings
	count(found) > 0
	named := [concat("", [finding.kind, " in line ", format_int(finding.line, 10)]) | some finding in found]
	words := ["The user data holds ", concat(", ", named), "; it takes a secret store, or an identity of the instance's own."]
}
