"""A controller: PUB, PUSH and PULL bind, SUB connects. What PULL receives is said as "result"."""

import roles

owner, _, _, _, puller = roles.service(
    __doc__, roles.Publisher, roles.Subscriber, roles.Pusher, roles.Puller
)
if not puller.tally:
    puller.handle = lambda message: owner.say("result", message=message)
owner.run()
