// The Go peer: what the Go original asks of the kernel, request by request, on the same netlink library.
package main

import (
	"fmt"
	"math/rand"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"unsafe"

	"github.com/vishvananda/netlink"
)

const (
	vxlanPort    = 4789
	containerMTU = 1400
)

type subnet struct {
	number int
	scope  string
	bridge *netlink.Bridge
	tunnel *netlink.Vxlan
	once   sync.Once
	err    error
}

type vnic struct {
	subnet *subnet
	link   netlink.Link
}

// node holds what the original holds: one lock over the whole topology, and a gate of eight.
type node struct {
	withIptables bool
	lock         sync.Mutex
	gate         chan struct{}
	made         int
}

func newNode(withIptables bool) *node {
	return &node{withIptables: withIptables, gate: make(chan struct{}, 8)}
}

func randomName(prefix string) string {
	return fmt.Sprintf("%s_%x", prefix, rand.Uint32())
}

func (n *node) newSubnet() *subnet {
	n.lock.Lock()
	defer n.lock.Unlock()
	n.made++
	return &subnet{
		number: n.made,
		scope: fmt.Sprintf("11111111-1111-4111-8111-%012x_22222222-2222-4222-8222-%012x_"+
			"33333333-3333-4333-8333-333333333333_198.51.100.9", n.made, n.made),
	}
}

func (s *subnet) address(port int) string {
	return fmt.Sprintf("10.%d.%d.%d", s.number>>8, s.number&255, port)
}

func iptables(arguments ...string) error {
	return exec.Command("/usr/sbin/iptables", append([]string{"-t", "filter"}, arguments...)...).Run()
}

// raise makes bridge and tunnel, once for the subnet.
func (n *node) raise(s *subnet) error {
	s.once.Do(func() { s.err = n.raiseNow(s) })
	return s.err
}

func (n *node) raiseNow(s *subnet) error {
	attrs := netlink.LinkAttrs{Name: randomName("sbr")} // queue length 0, as the original has it
	if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return err
	}
	link, err := netlink.LinkByName(attrs.Name)
	if err != nil {
		return err
	}
	s.bridge = link.(*netlink.Bridge)
	if err = netlink.LinkSetAlias(s.bridge, "br_"+s.scope); err != nil {
		return err
	}
	tunnel := &netlink.Vxlan{
		LinkAttrs: netlink.NewLinkAttrs(),
		VxlanId:   1000 + s.number,
		SrcAddr:   net.IPv4(198, 51, 100, 1),
		Group:     net.IPv4(198, 51, 100, 9),
		Port:      vxlanPort,
		Learning:  true,
	}
	tunnel.Name = randomName("sgt")
	if err = netlink.LinkAdd(tunnel); err != nil {
		return err
	}
	if link, err = netlink.LinkByName(tunnel.Name); err != nil {
		return err
	}
	s.tunnel = link.(*netlink.Vxlan)
	return n.joinTunnel(s)
}

func (n *node) joinTunnel(s *subnet) error {
	steps := []func() error{
		func() error { return netlink.LinkSetAlias(s.tunnel, "gre_"+s.scope) },
		func() error { return netlink.LinkSetMaster(s.tunnel, s.bridge) },
		func() error { return netlink.LinkSetUp(s.tunnel) },
		func() error { return netlink.LinkSetUp(s.bridge) },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	if !n.withIptables {
		return nil
	}
	if err := iptables("-C", "FORWARD", "-p", "all", "-i", s.bridge.Name, "-j", "ACCEPT", "--wait"); err == nil {
		return nil
	}
	return iptables("-A", "FORWARD", "-p", "all", "-i", s.bridge.Name, "-j", "ACCEPT", "--wait")
}

func ioctl(file *os.File, request uintptr, argument uintptr) error {
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, file.Fd(), request, argument); errno != 0 {
		return errno
	}
	return nil
}

func addTap(name string) error {
	var request struct {
		name  [16]byte
		flags uint16
		rest  [22]byte
	}
	copy(request.name[:15], name)
	request.flags = syscall.IFF_TAP | syscall.IFF_NO_PI | syscall.IFF_ONE_QUEUE
	file, err := os.OpenFile("/dev/net/tun", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	if err = ioctl(file, syscall.TUNSETIFF, uintptr(unsafe.Pointer(&request))); err != nil {
		return err
	}
	return ioctl(file, syscall.TUNSETPERSIST, 1)
}

func (n *node) createVM(s *subnet, port int) (*vnic, error) {
	if err := n.raise(s); err != nil {
		return nil, err
	}
	name := randomName("svn")
	if err := addTap(name); err != nil {
		return nil, err
	}
	// the original's library read the index back after making a link; then the original reads it again
	if _, err := netlink.LinkByName(name); err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(name)
	if err != nil {
		return nil, err
	}
	if err = netlink.LinkSetAlias(link, "vnic_"+s.scope+"##"+s.address(port)); err != nil {
		return nil, err
	}
	return attach(s, link)
}

func attach(s *subnet, link netlink.Link) (*vnic, error) {
	if err := netlink.LinkSetMaster(link, s.bridge); err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return nil, err
	}
	return &vnic{subnet: s, link: link}, nil
}

func (n *node) createContainer(s *subnet, port int) (*vnic, error) {
	if err := n.raise(s); err != nil {
		return nil, err
	}
	suffix := fmt.Sprintf("_%x", rand.Uint32())
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "svn" + suffix}, PeerName: "svp" + suffix}
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, err
	}
	link, err := netlink.LinkByName(pair.Name)
	if err != nil {
		return nil, err
	}
	if err = netlink.LinkSetAlias(link, "vnic_"+s.scope+"##"+s.address(port)); err != nil {
		return nil, err
	}
	peer, err := netlink.LinkByName(pair.PeerName)
	if err != nil {
		return nil, err
	}
	mac := net.HardwareAddr{0x02, 0, byte(s.number >> 8), byte(s.number), byte(port >> 8), byte(port)}
	if err = netlink.LinkSetHardwareAddr(peer, mac); err != nil {
		return nil, err
	}
	if err = netlink.LinkSetMTU(link, containerMTU); err != nil {
		return nil, err
	}
	if peer, err = netlink.LinkByName(pair.PeerName); err != nil {
		return nil, err
	}
	if err = netlink.LinkSetMTU(peer, containerMTU); err != nil {
		return nil, err
	}
	return attach(s, link)
}

// destroy holds the lock over the kernel's waits, as the original does.
func (n *node) destroy(v *vnic, last bool) error {
	n.lock.Lock()
	defer n.lock.Unlock()
	if err := netlink.LinkDel(v.link); err != nil || !last {
		return err
	}
	if err := netlink.LinkDel(v.subnet.tunnel); err != nil {
		return err
	}
	if n.withIptables {
		err := iptables("-D", "FORWARD", "-i", v.subnet.bridge.Name, "-j", "ACCEPT", "--wait")
		if err != nil {
			return err
		}
	}
	return netlink.LinkDel(v.subnet.bridge)
}
