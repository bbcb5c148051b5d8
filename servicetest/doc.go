// Package servicetest helps to test services, in a line or two for each thing a test wants:
//
//	servicetest.NoLeaks(t)                              // no goroutine may be left at the end
//	run := servicetest.Start(t, svc)                    // started and running; stopped at the end, which must be clean
//	servicetest.WaitState(t, svc, service.Stopped)      // waits, and fails the test when it takes too long
//	next := servicetest.Observe(t, svc, service.Stopped) // then cause it, then next()
//	receipt := servicetest.Stop(t, svc)                 // stopped now, cleanly
//
// A [Fleet] is several services in one process that talk over inproc addresses of their own.
//
// Every wait is bounded by [Patience]. The functions may be called where t.Fatal may: on the goroutine of the test. They
// work inside a bubble of testing/synctest too, NoLeaks apart, where patience costs no time.
package servicetest
