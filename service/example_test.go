package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/experimance/experimance-go/service"
)

var quiet = slog.New(slog.DiscardHandler)

// A service composed of a hook, which is open from Start to Stop, and a task, which works during Run.
func Example_composing() {
	svc, err := service.New(service.Config{Name: "thermometer", Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = svc.AddHook(service.Hook{
		Name:  "sensor",
		Start: func(context.Context) error { fmt.Println("sensor opened"); return nil },
		Stop:  func(context.Context) error { fmt.Println("sensor closed"); return nil },
	})
	if err != nil {
		fmt.Println(err)
	}
	readings := 0
	err = svc.Go("read", func(ctx context.Context) error {
		for svc.Sleep(ctx, time.Millisecond) {
			if readings++; readings == 3 {
				fmt.Println("three readings are enough")
				_, err := svc.Stop(ctx) // from inside: begins the stop and returns
				return err
			}
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}

	ctx := context.Background()
	if err := svc.Start(ctx); err != nil {
		fmt.Println(err)
	}
	if err := svc.Run(ctx); err != nil { // returns when the service has stopped
		fmt.Println(err)
	}
	fmt.Println(svc.State())
	// Output:
	// sensor opened
	// three readings are enough
	// sensor closed
	// stopped
}

// Lamp embeds a service and has a Start and a Stop of its own.
type Lamp struct {
	*service.Service
	lit bool
}

func NewLamp() (*Lamp, error) {
	svc, err := service.New(service.Config{Name: "lamp", Logger: quiet})
	if err != nil {
		return nil, err
	}
	l := &Lamp{Service: svc}
	l.EmbedIn(l)
	return l, nil
}

func (l *Lamp) Start(ctx context.Context) error {
	return l.StartWith(ctx, func(ctx context.Context) error {
		if err := l.Service.Start(ctx); err != nil {
			return err
		}
		l.lit = true
		return nil
	})
}

func (l *Lamp) Stop(ctx context.Context) (service.Receipt, error) {
	return l.StopWith(ctx, func(ctx context.Context) error {
		_, err := l.Service.Stop(ctx)
		l.lit = false
		return err
	})
}

// A type that embeds a service. A call in the wrong state is refused before code of the type runs.
func Example_embedding() {
	lamp, err := NewLamp()
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	fmt.Println(lamp.Start(ctx), lamp.State(), lamp.lit)
	fmt.Println(lamp.Start(ctx))
	_, err = lamp.Stop(ctx)
	fmt.Println(err, lamp.State(), lamp.lit)
	// Output:
	// <nil> started true
	// service lamp: Start is not valid in state started, only in initialized, stopped
	// <nil> stopped false
}

// A state of the application's own, entered and left like those of the lifecycle.
func ExampleStateManager_ValidateAndBeginTransition() {
	const calibrating service.State = "calibrating"
	states := service.NewStateManager(service.Running, quiet)

	calibrate := func() error {
		err := states.ValidateAndBeginTransition("Calibrate", []service.State{service.Running}, calibrating)
		if err != nil {
			return err
		}
		fmt.Println("now", states.State())
		return states.CompleteTransition("Calibrate", calibrating, service.Running, nil)
	}
	fmt.Println(calibrate())
	for _, transition := range states.History() {
		fmt.Println(transition)
	}
	// Output:
	// now calibrating
	// <nil>
	// running -> calibrating by Calibrate
	// calibrating -> running by Calibrate
}

// A task that begins again when it fails, a little later each time, and stops the service when it fails too often.
func ExampleWithRestart() {
	svc, err := service.New(service.Config{Name: "feed", Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = svc.Go("fetch", func(context.Context) error {
		fmt.Println("fetching")
		return errors.New("connection lost")
	}, service.WithRestart(service.RestartPolicy{
		Mode:       service.RestartOnFailure,
		MinBackoff: time.Millisecond,
		Intensity:  2,
		Window:     time.Minute,
	}))
	if err != nil {
		fmt.Println(err)
	}
	ctx := context.Background()
	if err := svc.Start(ctx); err != nil {
		fmt.Println(err)
	}
	fmt.Println(svc.Run(ctx))
	// Output:
	// fetching
	// fetching
	// fetching
	// service feed: task fetch: failed more often than 2 times within 1m0s: connection lost
}

// Waiting for a state, with a time limit.
func ExampleStateManager_WaitForState() {
	svc, err := service.New(service.Config{Name: "door", Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		if err := svc.Start(context.Background()); err != nil {
			fmt.Println(err)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	fmt.Println(svc.States().WaitForState(ctx, service.Started))
	// Output: started <nil>
}

// Observing a transition: an observation made before its cause cannot miss it.
func ExampleStateManager_ObserveStateChange() {
	svc, err := service.New(service.Config{Name: "door", Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	stopped := svc.States().ObserveStateChange(service.Stopped)
	defer stopped.Close()
	if _, err := svc.Stop(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println(stopped.Wait(context.Background()))
	// Output: stopping -> stopped by Stop <nil>
}

// A callback for a state.
func ExampleStateManager_OnState() {
	states := service.NewStateManager(service.Initialized, quiet)
	called := make(chan struct{})
	remove := states.OnState(service.Running, func(t service.Transition) {
		fmt.Println(t)
		close(called)
	})
	defer remove()
	if err := states.ValidateAndBeginTransition("Run", nil, service.Running); err != nil {
		fmt.Println(err)
	}
	<-called
	// Output: initialized -> running by Run
}

// Errors decide the status. A fatal one would also stop the service.
func ExampleService_RecordError() {
	svc, err := service.New(service.Config{Name: "scale", Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	svc.RecordWarning(errors.New("not level"))
	svc.RecordError(errors.New("overloaded"))
	fmt.Println(svc.Status(), len(svc.Errors()))
	svc.ResetErrors()
	fmt.Println(svc.Status(), len(svc.Errors()))
	// Output:
	// error 2
	// healthy 0
}

// The main function of a program that is a service. Ctrl-C or SIGTERM stops it, and the exit code tells how it went;
// a second Ctrl-C exits at once.
func ExampleMain() {
	main := func() {
		svc, err := service.New(service.Config{Name: "clock"})
		if err != nil {
			panic(err)
		}
		err = svc.Go("tick", func(ctx context.Context) error {
			for svc.Sleep(ctx, time.Second) {
				svc.Logger().Info("tick")
			}
			return nil
		})
		if err != nil {
			panic(err)
		}
		service.Main(svc)
	}
	_ = main
}

// What Main does, without the exit: here the end of a context stands for the signal.
func ExampleRunMain() {
	svc, err := service.New(service.Config{Name: "clock", Logger: quiet})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	svc.States().OnState(service.Running, func(service.Transition) { cancel() })
	fmt.Println("exit code", service.RunMain(ctx, service.MainConfig{}, svc))
	// Output: exit code 0
}
