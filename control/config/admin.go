package config

// Admin is where status, metrics and the API answer. A bare value is the address.
type Admin struct {
	// Addresses to listen on. Whoever can reach them can read everything and change some of it.
	Address []Address `yaml:"address,short" default:"127.0.0.1:9180" example:"127.0.0.1:9180"`

	// Off is set by `admin: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `off`.
func (a *Admin) FromWord(word string) (err error) {
	a.Off, err = isOff(word)
	return err
}

// Logs is what is logged, how and where.
type Logs struct {
	// The access log: one line for each exchange.
	Access AccessLog `yaml:"access" example:"{ format: json, file: /var/log/weir/access.log }"`

	// The lowest level of weir's own messages, which go to standard error.
	Level string `yaml:"level" default:"info" words:"debug info warn error" example:"debug"`
}

// AccessLog is one line for each exchange. A bare value is the file; `off` writes none.
type AccessLog struct {
	// The form of a line.
	Format string `yaml:"format" default:"combined" words:"combined json" example:"json"`

	// The file, `stdout` or `stderr`. A file is opened again after it was moved away.
	File string `yaml:"file,short,file" default:"stdout" example:"/var/log/weir/access.log"`

	// Off is set by `access: off`.
	Off bool `yaml:"-"`
}

// FromWord takes `on` and `off`.
func (a *AccessLog) FromWord(word string) (err error) {
	a.Off, err = isOff(word)
	return err
}
