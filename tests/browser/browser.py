"""Chromium without a screen, as a user of the dashboard."""
import os

import processes
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

PATIENCE = 40
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--disable-background-networking",
             "--disable-component-update", "--no-first-run", "--lang=en", "--window-size=1440,1200")


class Browser:
    def __init__(self, folder):
        options = webdriver.ChromeOptions()
        options.binary_location = processes.program("chromium")
        for argument in (*ARGUMENTS, "--user-data-dir=%s" % folder):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(processes.program("chromedriver")), options=options)

    def open(self, address):
        self.driver.get(address)

    def go(self, place):
        """To a page of the dashboard that is open, as #/mesh."""
        self.run("location.hash = arguments[0]", place)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def text(self):
        return self.driver.find_element(By.TAG_NAME, "main").text

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait_for(self, selector, containing=""):
        """The first element of that selector whose text has that."""
        def found():
            try:
                return next((e for e in self.all(selector) if containing in e.get_attribute("textContent")), None)
            except StaleElementReferenceException:
                return None  # the page has been brought up to date
        try:
            return processes.wait_until(found, "%s with %r" % (selector, containing), PATIENCE)
        except AssertionError as error:
            self.picture("failed")
            raise AssertionError("%s on %s:\n%s" % (error, self.driver.current_url, self.text()[:3000])) from error

    def wait_for_text(self, text):
        processes.wait_until(lambda: text in self.text(), "%r on the page" % text, PATIENCE)

    def click(self, selector, containing=""):
        """In one step, since the page may be brought up to date between two."""
        script = """const found = [...document.querySelectorAll(arguments[0])].find((e) => e.textContent.includes(arguments[1]));
                    found?.click();
                    return found !== undefined;"""
        processes.wait_until(lambda: self.run(script, selector, containing), "a click on %s with %r" % (selector, containing), PATIENCE)

    def choose(self, label, value):
        self.run("""const select = document.querySelector(`select[data-key="choice-${arguments[0]}"]`);
                    select.value = arguments[1];
                    select.dispatchEvent(new Event("change"));""", label, value)

    def theme(self, name):
        """By the button that switches."""
        if self.run("return document.getElementById('theme').textContent").lower() == name:
            self.click("#theme")
        # Until the colours have changed over.
        processes.wait_until(lambda: not self.run("return document.getAnimations().length"), "no animation runs", PATIENCE)

    def picture(self, name):
        folder = os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR")
        if folder:
            self.driver.save_screenshot(os.path.join(folder, name + ".png"))

    def complaints(self):
        """What the browser's console has had to say since the last time."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def close(self):
        self.driver.quit()
