"""A service that publishes and subscribes. See roles.Publisher and roles.Subscriber."""

import roles

owner, _, _ = roles.service(__doc__, roles.Publisher, roles.Subscriber)
owner.run()
