package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	callers  = 128
	rebuilds = 9
)

type command struct {
	Cmd     string `json:"cmd"`
	N       int    `json:"n"`
	Subnets int    `json:"subnets"`
}

type answer struct {
	Us    []float64 `json:"us"`
	Count int       `json:"count"`
}

func (a *answer) record(start time.Time) {
	a.Us = append(a.Us, float64(time.Since(start).Nanoseconds())/1000)
}

type creator func(*subnet, int) (*vnic, error)

func (n *node) timeWorst(c command, a *answer) error {
	for i := 0; i < c.N; i++ {
		s := n.newSubnet()
		start := time.Now()
		if _, err := n.createVM(s, 2); err != nil {
			return err
		}
		a.record(start)
	}
	a.Count = c.N
	return nil
}

func (n *node) timeBest(c command, a *answer, create creator) error {
	s := n.newSubnet()
	if _, err := n.createVM(s, 2); err != nil {
		return err
	}
	for i := 0; i < c.N; i++ {
		start := time.Now()
		if _, err := create(s, i+3); err != nil {
			return err
		}
		a.record(start)
	}
	a.Count = c.N
	return nil
}

func (n *node) timeDestroyBest(c command, a *answer) error {
	s := n.newSubnet()
	vnics := make([]*vnic, 0, c.N+1)
	for i := 0; i <= c.N; i++ {
		v, err := n.createVM(s, i+2)
		if err != nil {
			return err
		}
		vnics = append(vnics, v)
	}
	for _, v := range vnics[1:] {
		start := time.Now()
		if err := n.destroy(v, false); err != nil {
			return err
		}
		a.record(start)
	}
	a.Count = c.N
	return nil
}

func (n *node) timeDestroyWorst(c command, a *answer) error {
	for i := 0; i < c.N; i++ {
		v, err := n.createVM(n.newSubnet(), 2)
		if err != nil {
			return err
		}
		start := time.Now()
		if err = n.destroy(v, true); err != nil {
			return err
		}
		a.record(start)
	}
	a.Count = c.N
	return nil
}

// crowd runs work(0..count-1) with 128 callers, of which eight get through the gate.
func (n *node) crowd(count int, work func(int) error) error {
	var wait sync.WaitGroup
	var once sync.Once
	var first error
	jobs := make(chan int)
	for i := 0; i < callers; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for job := range jobs {
				n.gate <- struct{}{}
				if err := work(job); err != nil {
					once.Do(func() { first = err })
				}
				<-n.gate
			}
		}()
	}
	for i := 0; i < count; i++ {
		jobs <- i
	}
	close(jobs)
	wait.Wait()
	return first
}

func (n *node) timeLoad(c command, a *answer, destroy bool) error {
	subnets := make([]*subnet, c.Subnets)
	left := make([]int, c.Subnets)
	for i := range subnets {
		subnets[i] = n.newSubnet()
	}
	vnics := make([]*vnic, c.N)
	start := time.Now()
	err := n.crowd(c.N, func(i int) error {
		v, err := n.createVM(subnets[i%c.Subnets], 2+i/c.Subnets)
		vnics[i] = v
		return err
	})
	a.Count = c.N
	if err != nil || !destroy {
		a.record(start)
		return err
	}
	for i := range vnics {
		left[i%c.Subnets]++
	}
	var counting sync.Mutex
	start = time.Now()
	err = n.crowd(c.N, func(i int) error {
		counting.Lock()
		left[i%c.Subnets]--
		last := left[i%c.Subnets] == 0
		counting.Unlock()
		return n.destroy(vnics[i], last)
	})
	a.record(start)
	return err
}

func timeRebuild(a *answer) error {
	for i := 0; i < rebuilds; i++ {
		start := time.Now()
		count, err := rebuild()
		if err != nil {
			return err
		}
		a.record(start)
		a.Count = count
	}
	return nil
}

func timeReset(a *answer) (err error) {
	start := time.Now()
	a.Count, err = reset()
	a.record(start)
	return err
}

func (n *node) run(c command, a *answer) error {
	switch c.Cmd {
	case "create-worst-vm":
		return n.timeWorst(c, a)
	case "create-best-vm":
		return n.timeBest(c, a, n.createVM)
	case "create-best-container":
		return n.timeBest(c, a, n.createContainer)
	case "destroy-best-vm":
		return n.timeDestroyBest(c, a)
	case "destroy-worst-vm-answered", "destroy-worst-vm-gone":
		return n.timeDestroyWorst(c, a)
	case "load-create":
		return n.timeLoad(c, a, false)
	case "load-destroy":
		return n.timeLoad(c, a, true)
	case "rebuild":
		return timeRebuild(a)
	case "reset":
		return timeReset(a)
	}
	return fmt.Errorf("unknown command %q", c.Cmd)
}

func main() {
	withIptables := flag.Bool("iptables", false, "run iptables where the original does")
	flag.Parse()
	n := newNode(*withIptables)
	lines := bufio.NewScanner(os.Stdin)
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(map[string]bool{"ready": true})
	for lines.Scan() {
		var c command
		a := answer{Us: []float64{}}
		err := json.Unmarshal(lines.Bytes(), &c)
		if err == nil {
			err = n.run(c, &a)
		}
		if err != nil {
			_ = out.Encode(map[string]string{"error": err.Error()})
			continue
		}
		_ = out.Encode(a)
	}
}
