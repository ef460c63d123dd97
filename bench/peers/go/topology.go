package main

import (
	"strings"

	"github.com/vishvananda/netlink"
)

type bridgeEntry struct {
	link  *netlink.Bridge
	vnics map[string]netlink.Link
}

// rebuild is the original's DbRebuild: one list of all links, then maps by alias.
func rebuild() (int, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return 0, err
	}
	bridges := make(map[string]*bridgeEntry)
	names := make(map[string]bool)
	for _, link := range links {
		attrs := link.Attrs()
		if attrs.Alias == "" {
			continue
		}
		names[attrs.Name] = true
		if bridge, ok := link.(*netlink.Bridge); ok && strings.HasPrefix(attrs.Alias, "br_") {
			bridges[strings.TrimPrefix(attrs.Alias, "br_")] =
				&bridgeEntry{link: bridge, vnics: make(map[string]netlink.Link)}
		}
	}
	count := 0
	for _, link := range links {
		alias := link.Attrs().Alias
		if !strings.HasPrefix(alias, "vnic_") {
			continue
		}
		parts := strings.Split(strings.TrimPrefix(alias, "vnic_"), "##")
		if len(parts) != 2 {
			continue
		}
		if bridge := bridges[parts[0]]; bridge != nil {
			bridge.vnics[parts[1]] = link
			count++
		}
	}
	return count, nil
}

func ours(alias string) bool {
	for _, prefix := range []string{"br_", "gre_", "vxlan_", "vnic_", "cncivnic_"} {
		if strings.HasPrefix(alias, prefix) {
			return true
		}
	}
	return false
}

// reset is the original's ResetNetwork: two lists, and one request for each link.
func reset() (int, error) {
	links, err := netlink.LinkList()
	if err != nil {
		return 0, err
	}
	count := 0
	for _, link := range links {
		if !ours(link.Attrs().Alias) {
			continue
		}
		if err = netlink.LinkDel(link); err != nil {
			return count, err
		}
		count++
	}
	if _, err = netlink.LinkList(); err != nil {
		return count, err
	}
	return count, nil
}
