# METADATA
# title: Conditions on how and from where
package verdict.conditions

import data.verdict.conditions.address
import data.verdict.conditions.two_factor

denies := array.concat(two_factor.denies, address.denies)

advice := two_factor.advice
