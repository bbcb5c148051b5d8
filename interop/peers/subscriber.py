"""A subscriber, as the deployed Python services have it. See roles.Subscriber."""

import roles

owner, _ = roles.service(__doc__, roles.Subscriber)
owner.run()
