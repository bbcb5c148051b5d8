package service_test

func childName() string { return "" }
func runChild(string)   {}
