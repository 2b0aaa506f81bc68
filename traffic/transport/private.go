package transport

// Hold keeps a clean connection between two requests of the one client it belongs to: as Keep, but nobody else finds it.
func (c *Conn) Hold(config *Config) {
	if c.generation < c.home.generation || config.MaxRequests > 0 && c.Requests >= config.MaxRequests {
		c.Close()
		return
	}
	c.held, c.Stream = true, nil
	c.await(config)
}

// Resume takes a held connection for its client's next request; false when it has ended meanwhile, or is not to be used any more, as for another name.
func (c *Conn) Resume(name string) bool {
	if !c.held {
		return false
	}
	if c.generation < c.home.generation || c.name != name {
		c.Close()
		return false
	}
	return c.home.claim(c)
}
