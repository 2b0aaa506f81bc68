// Command weir is the program: it hands the parts of weir to its command line.
package main
