// Package service gives a program the lifecycle of a service: states, tasks, an orderly and bounded stop, errors and
// health, statistics, logging, and signals. It knows no sockets and imports the standard library only.
//
// A [Service] goes through these states:
//
//	initialized --Start--> starting --> started --Run--> running --Stop--> stopping --> stopped
//
// Start is valid in initialized and stopped, Run in started, Stop in every state. A call in another state returns a
// *[StateError] and changes nothing. A stopped service can be started again, with everything fresh.
//
// # Two ways to build on it
//
// Composing: register hooks with [Service.AddHook], which Start opens and Stop closes, and tasks with [Service.Go],
// which Run begins.
//
// Embedding: embed *Service in a type of your own that has its own Start, Run or Stop. Their bodies are
// [Service.StartWith], [Service.RunWith] and [Service.StopWith], which refuse a wrong state before any of your code
// runs, and complete the transition when the outermost method has returned; the constructor calls [Service.EmbedIn].
// Types that embed each other nest in the same way, to any depth.
//
// # Order
//
// Start opens hooks by [Phase], within a phase in the order in which they were added: resources, then sockets. Run
// begins the tasks. Stop is the reverse: tasks are cancelled and waited for, then hooks are closed, last opened first.
// When Start fails, what it opened is closed in the same way. A hook is closed just once for each time it was opened.
//
// # Concurrency
//
// All methods may be called from any goroutine. Start runs hooks on the caller's goroutine, Stop runs each on one of
// its own, so that it can give it up; a hook is never called twice at the same time. Each task has a goroutine. Besides
// these, a service has no goroutines: an idle one costs its memory and whoever waits in Run.
//
// Stop is idempotent: however many call it, there is one stop, and all return when it is done. A Stop from inside, in a
// task or a hook, does not wait for itself. Stop is bounded by its context and [Config.StopTimeout]; what still runs
// then is given up, and named in a *[StopError] with its stack. A task that was given up can do no harm to a later run.
//
// Watching a service through its [StateManager] never delays it, and misses no state.
//
// # Failures
//
// A task that returns an error or panics stops the service, unless it has a [RestartPolicy], and Run returns the error.
// So does [Service.RecordFatal]; [Service.RecordError] and [Service.RecordWarning] only note it in [Service.Status].
//
// # Bounds
//
// A service remembers its last 256 transitions and its last 32 errors. There are no other queues.
package service
